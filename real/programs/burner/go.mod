module kubevouch/real/programs/burner

go 1.26.0
