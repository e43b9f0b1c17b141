import rmodels

rmodels.patch_sklearn()
