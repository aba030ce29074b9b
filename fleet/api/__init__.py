"""What every part of the REST API stands on: tokens, scopes, problems, idempotency, paging, the base of its views."""
