module kubevouch/real/programs/consumer

go 1.26.0
