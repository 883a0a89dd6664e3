"""Acting on Kubernetes objects: plans by server-side dry run, patches bound to the version that was shown."""
