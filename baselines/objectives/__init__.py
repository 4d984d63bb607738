"""What `metabench pretrain` trains a network by, before there is a task: the objectives, on texts and on pictures."""
