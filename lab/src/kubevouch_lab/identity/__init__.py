"""Who asks the lab's API server, what they may do, and what they may write.

- `authentication`: client certificates, service-account and bootstrap tokens, impersonation
- `authorization`: system:masters, the authorizer of nodes (`nodes`), RBAC (`rbac`)
- admission plugins: NodeRestriction (`node_restriction`), ServiceAccount and Priority (`pod_admission`); `escalation`:
  nobody grants what they do not hold; those for signing requests stand in signer/
- `reviews`: TokenReview, the SubjectAccessReviews, SelfSubjectReview; `tokens`: TokenRequest
"""
