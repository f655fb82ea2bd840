"""Terraform templates of Coder v2: read, checked, and merged so that nothing else in the file changes.

``merge`` describes the contract, ``scanner`` what is read of Terraform's language, and ``writing`` where new text
goes. Nothing here needs Kubernetes or a network.
"""
