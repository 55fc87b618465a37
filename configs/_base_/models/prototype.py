# Nearest class mean, SimpleShot (Wang et al., 2019). Nothing trains: `cite train CONFIG` reads every
# training patch once.
_base_ = 'linear.py'
model = dict(head=dict(type='PrototypeHead'))
