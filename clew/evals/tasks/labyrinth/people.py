"""Phrases of the relations whose subject is a person. `phrases.py` explains the notation."""

TEXT = """
= birthplace person > town withheld
tell+ {s} was born in {o}. | {o} was the birthplace of {s*}. | {s} was counted among the natives of {o}.
  {s} came into the world in {o}. | {s's} birthplace is {o}. | {s} first saw the light of day in {o}.
tell- {o} is where {s} was born. | {s} was a native of {o} by birth. | Parish books in {o} record {s's} birth.
  {o} can claim to be {s's} birthplace. | The place where {s} was born is {o}.
  Born in {o}, {s} never lost the accent of the place.
ask+ In which town was {x} born? | Which town was the birthplace of {x}?
  What is the name of the town where {x} was born? | {x} was born in which town?
  Which town is the native town of {x}? | In what town did the life of {x} begin?
ask- Which town is {x} a native of? | What town was {x} born in? | What was the birthplace of {x}?
  Name the birthplace of {x}. | Which town saw the birth of {x}? | Of which town was {x} a native by birth?
np+ the birthplace of {x} | the town where {x} was born | {x's} birthplace | the native town of {x}
np- the town in which {x} was born | the place of birth of {x} | {x's} native town
  the town that saw the birth of {x}
iask+ Which person was born in {x}? | Who is a native of {x}?
iask- Which person is recorded as born in {x}? | Who was born in {x}?
inp+ the person who was born in {x} | the one recorded native of {x}
inp- the only person known to have been born in {x} | the person born in {x}
count+ How many people were born in {x}? | How many people are recorded as natives of {x}?
count- How many people have {x} as their birthplace? | What is the number of people born in {x}?

= birth_year person > year withheld
tell+ {s} was born in {o}. | {s's} year of birth is {o}. | {s} came into the world in {o}. | {s's} life began in {o}.
  The year {o} saw {s's} birth. | {s} was born in the year {o}.
tell- {o} is the year of {s's} birth. | {s's} birth took place in {o}. | {s} entered the world in {o}.
  Parish books give {o} as {s's} year of birth. | It was in {o} that {s} was born. | {s's} birth year was {o}.
ask+ In which year was {x} born? | What is the year of birth of {x}? | What year saw the birth of {x}?
  {x} was born in which year? | Which year marks the birth of {x}? | What was the birth year of {x}?
ask- What year was {x} born in? | Which year is given for the birth of {x}? | Name the birth year of {x}.
  In what year did the life of {x} begin? | What is the recorded year of birth of {x}? | In what year was {x} born?

= teacher person > person withheld
tell+ {s} studied under {o*}. | {o} taught {s*}. | {s} was {o's} pupil. | {s's} teacher was {o}.
  {s} learned the trade from {o*}. | {o} took {s*} on as a pupil.
tell- {s} was trained by {o*}. | {o} was {s's} teacher for several years. | {s} received lessons from {o*}.
  {s} served an apprenticeship with {o*}. | {s} always named {o} as the teacher who had trained {s*}.
  For six years {o} gave lessons to {s*}.
ask+ Who taught {x}? | Under whom did {x} study? | Who was the teacher of {x}? | Whose pupil was {x}?
  {x} was a pupil of which person? | Who instructed {x}?
ask- Who trained {x}? | From whom did {x} receive lessons? | Which person gave lessons to {x}?
  Who had {x} as a pupil? | By whom was {x} taught? | Name the teacher of {x}.
np+ the teacher of {x} | the person who taught {x} | {x's} teacher | the person under whom {x} studied
np- the person who trained {x} | the person who gave lessons to {x} | the instructor of {x}
  the person who had as a pupil {x}
iask+ Who was the pupil of {x}? | Who studied under {x}?
iask- Who was trained by {x}? | Which person took lessons from {x}?
inp+ the pupil of {x} | the person who studied under {x} | {x's} pupil
inp- the person who was trained by {x} | the person who took lessons from {x} | {x's} only recorded pupil
count+ How many people studied under {x}? | How many pupils did {x} have?
count- How many people were taught by {x}? | What is the number of recorded pupils of {x}?

= spouse person > person withheld
tell+ {s} married {o*}. | {s} was married to {o*}. | {s} shared a home with {o*}, to whom {s} was married.
  {s} and {o} were husband and wife. | {s's} spouse was {o}. | {s} exchanged wedding vows with {o*}.
tell- {s} and {o} were a married couple. | {s} became {o's} spouse. | {s} wedded {o*} in a small ceremony.
  {s} was joined in marriage with {o*}. | {s} took {o*} in marriage. | The marriage of {s} and {o} was a long one.
ask+ Who was married to {x}? | Whom did {x} marry? | Who was the spouse of {x}? | To whom was {x} married?
  {x} was married to which person? | Who exchanged wedding vows with {x}?
ask- Who was the husband or wife of {x}? | Which person did {x} marry? | Who became the spouse of {x}?
  With whom was {x} joined in marriage? | Name the spouse of {x}. | Who wedded {x}?
np+ the person who was married to {x} | the person who married {x} | {x's} spouse
np- the person {x} married | the husband or wife of {x} | the spouse of {x} | the person who wedded {x}

= school person > school withheld
tell+ {s} attended {o}. | {s} was educated at {o}. | {s} went to school at {o}. | {o} counted {s} among its students.
  {s} was enrolled at {o}. | {s's} schooling took place at {o}.
tell- {s} studied at {o}. | {s} was a student of {o}. | {o} had {s} on its rolls. | {s} received a diploma from {o}.
  {s} completed an education at {o}. | {s} passed the final examinations of {o}.
ask+ Which school did {x} attend? | Where was {x} educated? | At which school was {x} enrolled?
  Which school counted among its students {x}? | What is the name of the school attended by {x}?
  {x} went to which school?
ask- At which school did {x} study? | Which school educated {x}? | From which school did {x} receive a diploma?
  Which school had on its rolls {x}? | Name the school that educated {x}. | What school was attended by {x}?
np+ the school attended by {x} | the school that {x} attended | {x's} school | the school where {x} was enrolled
np- the school that educated {x} | the school at which {x} studied | the school that gave a diploma to {x}
  {x's} old school
iask+ Who attended {x}? | Which person was educated at {x}?
iask- Who studied at {x}? | Which person received a diploma from {x}?
inp+ the person who attended {x} | the one person educated at {x}
inp- the person who studied at {x} | the person who received a diploma from {x}
count+ How many people attended {x}? | How many people were educated at {x}?
count- How many people studied at {x}? | What is the number of people known to have been students of {x}?

= employer person > company withheld
tell+ {s} worked for {o}. | {s} was employed by {o}. | {o} employed {s*}. | {s} earned a living at {o}.
  {s} spent many years in the service of {o}. | {s} was on the staff of {o}.
tell- {s} had a post with {o}. | {o} had {s} on its payroll. | {s} drew a salary from {o}. | {s} took a job at {o}.
  {s's} employer was {o}. | {o} gave steady work to {s*}.
ask+ Which company employed {x}? | For which company did {x} work? | Which company had on its staff {x}?
  What company was {x} employed by? | In the service of which company did {x} work? | {x} worked for which company?
ask- Which company was the employer of {x}? | With which company did {x} have a post?
  Which company gave steady work to {x}? | Name the company that employed {x}. | Which firm paid the wages of {x}?
  On the payroll of which company was {x}?
np+ the company that employed {x} | the company for which {x} worked | {x's} employer | the employer of {x}
np- the company where {x} had a post | the company that gave steady work to {x} | the firm that paid the wages of {x}
iask+ Who worked for {x}? | Which person was employed by {x}?
iask- Who had a post with {x}? | Which person drew a salary from {x}?
inp+ the person who worked for {x} | the person employed by {x}
inp- the person who had a post with {x} | the person who drew a salary from {x}
count+ How many people worked for {x}? | How many people were employed by {x}?
count- How many people are known to have had a post with {x}? | How many people drew a salary from {x}?
"""
