"""NAPALM drivers of Slipway, where NAPALM looks for a site's own: `napalm.get_network_driver("frr")`."""
