"""The bed: a real kubeadm cluster of four systemd machines on one Linux box.

It is the judge of the product and so never imports it: what is true here was said by Kubernetes' own
programs, by systemd and by OpenSSH. `docs/internals/bed.md` tells how to use it.
"""
