// Written by its helper in this session.
