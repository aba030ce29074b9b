"""The pages about webhooks and tickets, and the door for webhooks that come in."""
