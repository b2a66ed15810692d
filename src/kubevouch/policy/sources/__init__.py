"""Who says which names and addresses a node has: the identity sources of the approver, as values and pure choices.

- `choice`: the highest source that knows a node decides; a weaker one is never asked then
- `nodes`: what is written down of each node: the inventory, pins, and the approver's own records
- `configuration`: the operator's document, with the rule that admits new nodes
- `renewal`: the certificate that a node serves already
- `stored`: how entries are kept in ConfigMaps and read again, within bounds

One entry that cannot be read never disables the others: it stays in its place as `Unreadable`, so that its node is held
and no weaker source is asked instead.
"""
