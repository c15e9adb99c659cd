"""The login service: devices, their users and households. Three versions behind one interface; see README.md."""
