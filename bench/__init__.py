"""Speed as ratios: each figure beside a named peer or limit, both measured in the same run. Never an assertion on a clock."""
