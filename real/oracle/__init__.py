"""The oracle: what Go itself makes of certificates, signing requests and PEM files.

`main.go` and its neighbours (standard library only) are the judge. `corpus.py` makes the cases, from nothing but this
folder and `cryptography`'s arithmetic, never from the code under test, and the same bytes every time; then it runs the
judge. Cases and answers are recorded in tests/x509/cases, where plain `make test` replays them.
"""
