"""The MuJoCo bodies of gymnasium; offered as tasks when their experts are trained."""
