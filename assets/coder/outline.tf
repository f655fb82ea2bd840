resource "kubernetes_pod" "main" {
  metadata {
    # 1. AppArmor: annotations
  }
  spec {
    # 2. User: security_context
    container {
      name = "${container}"
      # 3. FUSE device: resources
    }
  }
}
