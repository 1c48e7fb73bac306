"""Tests of the proxy `npm`, with a fake NPM (`fake*`), a tap before it, and a person's hands beside it (`site`).

The same tests run on the fake and, where HOLDFAST_TEST_NPM_URL names one, on a real NPM.
"""
