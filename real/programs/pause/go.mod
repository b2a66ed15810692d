module kubevouch/real/programs/pause

go 1.26.0
