"""The life of a CertificateSigningRequest: what may be written into one, who decides, who signs, who clears away.

- `csr_strategy`, `csr_admission`: what a create and each kind of update keep, restore and refuse
- `rules`: the four built-in signers' checks; `issuing`: the certificate
- `approver`: the one that approves kubelets' client certificates, and nothing else
- `cleaner`: which requests are old; `signers`: the loops that act
"""
