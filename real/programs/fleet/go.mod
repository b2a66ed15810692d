module kubevouch/real/programs/fleet

go 1.26.0
