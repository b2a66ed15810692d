"""Who says which names and addresses a node has: the identity sources of the approver, as values and pure choices.

- `choice`: the highest source that knows a node decides; a weaker one is never asked then
- `pinned`, `recorded`: what operators pinned, and what the approver itself wrote down; one entry for each node
- `inventory`, `configuration`: the operator's documents
- `new_nodes`, `renewal`: the rule that admits new nodes; the certificate that a node serves already
- `stored`: how entries are kept in ConfigMaps and read again, within bounds; `difference`: a pin and the live Node

One entry that cannot be read never disables the others: it stays in its place as `Unreadable`, so that its node is held
and no weaker source is asked instead.
"""
