# Weighted k-nearest neighbours (Wu et al., CVPR 2018) among the features of the training patches. Nothing
# trains: `cite train CONFIG` reads every training patch once.
_base_ = 'linear.py'
model = dict(head=dict(type='KNNHead'))
