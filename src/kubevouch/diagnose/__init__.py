"""Evidence in, findings out: the catalogue of codes, one rule a function, and the one cause behind them all."""
