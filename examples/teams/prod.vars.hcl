env     = "prod"
servers = ["zk1.example.com:2181", "zk2.example.com:2181", "zk3.example.com:2181"]

fleet = "fleet-prod:ZLASPtFIDn+NzcmoPvY5DfKNL3s="

teams = {
  billing = {
    identity = "billing-prod:GwyQv7tZw5svU8QQIF7+O0OKcvY="
    jobs     = ["invoices", "dunning", "ledger", "payouts", "reconcile", "statements", "tax"]
    shards   = 16
    windows  = "2h"
  }
  search = {
    identity = "search-prod:PV+hcBzvdQliJJ/NgatpfCDNlhM="
    jobs     = ["reindex", "suggest", "synonyms", "sitemap", "metrics"]
    shards   = 32
    windows  = "6h"
  }
  orders = {
    identity = "orders-prod:xYNv3HGoY/vZ2aGLfyZrSFM67qk="
    jobs     = ["export", "archive", "refunds", "fraud", "returns"]
    shards   = 16
  }
  catalog = {
    identity = "catalog-prod:hiKLjyrMupb+9GxBfkNgwOZhKJY="
    jobs     = ["import", "prices", "images", "stock", "feeds"]
    shards   = 24
  }
  mail = {
    identity = "mail-prod:/YSQx117/QY2U1RG3QhZZSxTWGs="
    jobs     = ["digest", "bounces", "campaigns"]
    shards   = 8
    windows  = "30m"
  }
  data = {
    identity = "data-prod:lKv61hdlg5dzsnDgm3C/aHBMzRc="
    jobs     = ["warehouse", "anonymise", "snapshots", "quality", "features", "models"]
    shards   = 32
    windows  = "8h"
  }
  identity = {
    identity = "identity-prod:+5mO1oPYLGSW6SEAhc+cuSUEd1Q="
    jobs     = ["cleanup", "audit"]
  }
  platform = {
    identity = "platform-prod:v4T2lZN7pFrYbnmQup+LcqgH2J8="
    jobs     = ["backup", "certificates", "rotate", "inventory"]
  }
  support = {
    identity = "support-prod:BF1EZlxQZVnPk698zuUhsf7EQ/8="
    jobs     = ["sla", "escalate"]
  }
  mobile = {
    identity = "mobile-prod:xmyFpP1k7Hi8IQsiFq77k7gSWZc="
    jobs     = ["push", "crashes"]
    shards   = 4
  }
}
