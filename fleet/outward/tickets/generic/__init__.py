"""Any other ticket system: told by signed webhooks, tells by a signed callback."""
