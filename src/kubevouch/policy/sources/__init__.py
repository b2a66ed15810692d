"""The approver's identity sources: who says which names and addresses a node has.

- `choice`: the strongest source that knows a node decides; weaker sources are not asked
- `nodes`: entries about nodes in the inventory, in pins, and in the approver's own records
- `configuration`: the approver's configuration, with the rule for new nodes
- `renewal`: the certificate that a node already serves
- `stored`: how entries are stored in ConfigMaps and read back, within bounds

An unreadable entry does not disable the others. It becomes `Unreadable`: its node's CSRs are held, and no weaker source
is asked instead.
"""
