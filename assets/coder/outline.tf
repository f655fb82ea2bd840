resource "kubernetes_pod_v1" "main" {
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
