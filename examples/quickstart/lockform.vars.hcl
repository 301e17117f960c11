# For trying things out only.
planner_password = "planner-demo"
billing_password = "billing-demo"
