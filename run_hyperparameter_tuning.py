"""Search for the best hyperparameters; the same as `truetune tune`.

python run_hyperparameter_tuning.py --method keras-tuner --max-trials 30 --data DIR
python run_hyperparameter_tuning.py --help
"""

from truetune.cli.tune import tune

if __name__ == "__main__":
    tune()
