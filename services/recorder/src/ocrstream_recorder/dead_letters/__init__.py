"""Dead letters: records that cannot be applied, where they are kept, and how they are sent again.

Runs in both processes; in the recording one alone: `producer`; in the serving one alone: `records`,
`redrive`.
"""
