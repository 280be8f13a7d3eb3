"""What the installation tells others: webhooks, one-off callbacks, notifications, the stream, out of the trail."""
