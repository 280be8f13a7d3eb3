"""Pages of approvals: the inbox, what one held action is, and what people say to it."""
