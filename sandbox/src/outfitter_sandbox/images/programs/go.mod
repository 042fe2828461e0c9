module outfitter.dev/programs

go 1.24
