env     = "stage"
servers = ["127.0.0.1:2181"]

fleet = "fleet-stage:gfrliVbYO+A9rcgBI5HRH82CmFA="

teams = {
  billing = {
    identity = "billing-stage:/U5/c2uMAx3GpEuZ32cqavrLWDc="
    jobs     = ["invoices", "dunning", "ledger", "payouts", "reconcile", "statements", "tax"]
    shards   = 16
    windows  = "2h"
  }
  search = {
    identity = "search-stage:xyBSCcFCFI2be1o9jhwgoY0ecFI="
    jobs     = ["reindex", "suggest", "synonyms", "sitemap", "metrics"]
    shards   = 16
    windows  = "6h"
  }
  orders = {
    identity = "orders-stage:C5TDchndjfPdtGsXwup7Wl+tPpM="
    jobs     = ["export", "archive", "refunds", "fraud", "returns"]
    shards   = 16
  }
  catalog = {
    identity = "catalog-stage:EV//+3Uy2FirsVW27C0e5lgY/yo="
    jobs     = ["import", "prices", "images", "stock", "feeds"]
    shards   = 16
  }
  mail = {
    identity = "mail-stage:+XXlSAwNWCwOAcgwzz6mmydC5uA="
    jobs     = ["digest", "bounces", "campaigns"]
    shards   = 8
    windows  = "30m"
  }
  data = {
    identity = "data-stage:10VXm39ZjmpCs3Xgu+WovNrXZ6U="
    jobs     = ["warehouse", "anonymise", "snapshots", "quality", "features", "models"]
    shards   = 16
    windows  = "8h"
  }
  identity = {
    identity = "identity-stage:2sPv4tIZtJagUrz4bBhtlreq/NA="
    jobs     = ["cleanup", "audit"]
  }
  platform = {
    identity = "platform-stage:6qVelbjKpq4apGEd2yu+6dfKUkM="
    jobs     = ["backup", "certificates", "rotate", "inventory"]
  }
  support = {
    identity = "support-stage:t40efUoICU8aCVwC9jbuUoLAbas="
    jobs     = ["sla", "escalate"]
  }
  mobile = {
    identity = "mobile-stage:2iNX8NFSBS5EwFwPnAWr+D9+SrA="
    jobs     = ["push", "crashes"]
    shards   = 4
  }
}
