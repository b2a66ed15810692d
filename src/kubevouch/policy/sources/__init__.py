"""The approver's identity sources, which list the names and addresses of nodes.

- `choice`: picks the strongest source that knows a node; weaker sources are ignored
- `nodes`: entries about nodes in the inventory, in pins, and in the approver's own records
- `configuration`: the approver's configuration, with the rule for new nodes
- `renewal`: the certificate that a node already serves
- `stored`: how entries are stored in ConfigMaps and read back, with size limits

An unreadable entry does not affect other entries. It becomes `Unreadable`, and the CSRs of its node
are held even if a weaker source knows the node.
"""
