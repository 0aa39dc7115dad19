"""The Data Bank: trained artifacts handed to other services by pointer. Nothing is in this room yet."""
