"""Who may enter and what they may do: roles, identities, links, guest sessions."""
