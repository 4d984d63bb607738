"""Studies: a grid of runs, made by several processes, of which nothing is made twice."""
