"""Every training that a page draws a conclusion from, with ten seeds in place of one.

One module per chapter, which holds

- `EXPERIMENTS`: name -> function of a seed -> figures (numbers, or lists of numbers) by name;
- `SHOWN`: the functions that stand on the page in the same words, so that both train one net.
"""

SEEDS = range(10)
