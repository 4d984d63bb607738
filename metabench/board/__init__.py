"""The leaderboard: rows, table, page."""
