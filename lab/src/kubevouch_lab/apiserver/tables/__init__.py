"""Objects as the tables that kubectl prints: columns and cells of the real printers of Kubernetes 1.36.

Sources: pkg/printers/internalversion/printers.go, kube-aggregator's registry/apiservice/etcd/etcd.go, and for kinds
without a printer apiserver's registry/rest/table.go (NAME and CREATED AT). The API server asks them for the wide form
always; what is wide has priority 1, and the client hides it.
"""

from kubevouch_lab.apiserver.tables.ages import human_duration
from kubevouch_lab.apiserver.tables.table import IncludeObject, columns_of, table_for

__all__ = ["IncludeObject", "columns_of", "human_duration", "table_for"]
