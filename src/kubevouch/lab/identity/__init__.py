"""Who asks the lab's API server, what they may do, and what they may write.

- `authentication`: client certificates, service-account and bootstrap tokens, impersonation
- `authorization`: system:masters, the authorizer of nodes (`nodes`), RBAC (`rbac`)
- `admission`: NodeRestriction (`node_restriction`) and the three plugins for signing requests
- `reviews`: TokenReview, the SubjectAccessReviews, SelfSubjectReview; `tokens`: TokenRequest
"""
