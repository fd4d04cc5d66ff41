"""Today's hyperparameters, one class per task.

Edit the values by hand, or let `truetune apply` write the winner of a search here; `truetune undo` takes it back.
Both read this file as text, so each value must be a plain literal. Lists have one element per block or layer.
"""


class EEGEmotion:
    """CNN + BiLSTM on EEG features, three heads: valence, arousal, emotion."""

    # Training
    LEARNING_RATE: float = 0.001  # of the optimizer; searched from 1e-5 to 1e-2
    OPTIMIZER: str = "adam"  # "adam", "adamw" or "rmsprop"
    BATCH_SIZE: int = 32  # rows per step: 16, 32 or 64
    EPOCHS: int = 30  # passes over the training rows

    # Convolution blocks: Conv1D, batch normalisation, max pooling, dropout
    N_CNN_BLOCKS: int = 3  # 2 to 4; the lists below are read up to this number
    CNN_FILTERS: list[int] = [64, 128, 256]  # output channels, 32 to 256 in steps of 32
    KERNEL_SIZES: list[int] = [3, 3, 3]  # features seen at once: 3, 5 or 7
    POOL_SIZES: list[int] = [2, 2, 2]  # how much shorter the sequence gets: 2 or 3
    CNN_DROPOUTS: list[float] = [0.2, 0.2, 0.2]  # fraction of outputs dropped in training, 0.1 to 0.5
    L2_REGS: list[float] = [0.001, 0.001, 0.001]  # weight of the squared kernel in the loss, 1e-4 to 1e-2

    # Bidirectional LSTM behind the convolutions
    USE_LSTM: bool = True  # False: global average pooling, and the three values below are not used
    LSTM_UNITS: int = 128  # in each direction, 64 to 256 in steps of 32
    LSTM_DROPOUT: float = 0.3  # fraction of its inputs dropped, 0.1 to 0.5
    LSTM_RECURRENT_DROPOUT: float = 0.0  # fraction of its state dropped, 0 to 0.5; above 0 an epoch takes twice as long

    # Dense layers before the heads
    N_DENSE_LAYERS: int = 2  # 1 to 3; the lists below are read up to this number
    DENSE_UNITS: list[int] = [256, 128]  # 64 to 512 in steps of 64
    DENSE_DROPOUTS: list[float] = [0.4, 0.3]  # fraction of outputs dropped in training, 0.2 to 0.7
    DENSE_L2S: list[float] = [0.001, 0.001]  # weight of the squared kernel in the loss, 1e-4 to 1e-2
