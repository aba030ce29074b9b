"""Jira Service Management change requests and deployment gating."""
