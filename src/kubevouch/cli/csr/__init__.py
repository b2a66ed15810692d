"""The verb `csr`: list, explain and approve the CSRs of kubelets."""
