"""Packages of the routing suite: exact versions, pinned by hold, restarts of the daemons counted."""
