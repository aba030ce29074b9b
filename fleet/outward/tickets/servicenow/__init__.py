"""ServiceNow change requests."""
