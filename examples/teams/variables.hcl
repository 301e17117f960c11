variable "env" {
  type        = string
  description = "Where this layout is applied."
  validation {
    condition     = contains(["stage", "prod"], var.env)
    error_message = "env must be stage or prod."
  }
}

variable "servers" {
  type        = list(string)
  description = "The ensemble, each server as host:port."
}

variable "planner_password" {
  type        = string
  description = "The password of the digest user planner."
  sensitive   = true
}

variable "fleet" {
  type        = string
  description = "The identity that every host has, for the locks that all teams share."
}

variable "teams" {
  description = "The teams: who their hosts are (lockform's zkdigest, or zkCli's addauth), their nightly jobs, and how many shards their workers share."
  type = map(object({
    identity = string
    jobs     = list(string)
    shards   = optional(number, 0)
    windows  = optional(string, "1h")
  }))
}
