module kubevouch/real/oracle

go 1.26.0
