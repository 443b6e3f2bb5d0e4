"""Phrases of the relations whose subject is a person. `phrases.py` explains the notation."""

TEXT = """
= birthplace person > town withheld
tell+ {s} was born in {o}. | {o} is the place where {s} was born. | {s's} birthplace was {o}.
  {s} was born and raised in {o}. | {s} was born at {o}. | {s} was born in a house on the edge of {o}.
tell- {o} is where {s} was born. | {s} was a native of {o}. | {s} came into the world in {o}.
  The parish books of {o} record {s's} birth. | {s} was born in the town of {o}.
  Born in {o}, {s} never lost the accent of the place.
ask+ Where was {x} born? | In which town was {x} born? | Which town was {x} born in? | What is {x's} birthplace?
  What is the birthplace of {x*}? | Which town was the birthplace of {x*}?
ask- In what town was {x} born? | What town was {x} born in? | What was {x's} home town?
  What was the home town of {x*}? | Which town did {x} come from? | Which town was {x} a native of?
np+ the birthplace of {x*} | {x's} birthplace | the town where {x} was born
np- {x's} home town | the home town of {x*} | the town that {x} came from
set+ {x} was born in {a}.
set- {x} came from {a}.
iask+ Who was born in {x}? | Which person was born in {x}?
iask- Who is known to have been born in {x}? | Which person came from {x}?
inp+ the person born in {x} | the person who was born in {x}
inp- the {m} who came from {x} | the {m} who was born in {x}
iset+ {x} was the birthplace of {a}.
iset- {a} was born in {x}.
count+ How many people were born in {x}? | How many people are natives of {x}?
count- How many people are known to have been born in {x}? | How many people came from {x}?

= birth_year person > year withheld
tell+ {s} was born in {o}. | {s's} year of birth was {o}. | {s} was born in the year {o}. | {s's} life began in {o}.
  The year of {s's} birth was {o}. | {s} was born early in {o}.
tell- {s's} birth took place in {o}. | Parish books give {o} as {s's} year of birth. | It was in {o} that {s} was born.
  {s's} birth year was {o}. | {s} was born in the summer of {o}. | {s} was born late in {o}.
ask+ When was {x} born? | In which year was {x} born? | What was {x's} year of birth? | Which year was {x} born in?
  What was the year of birth of {x*}? | What is the year of {x's} birth?
ask- In what year was {x} born? | What year was {x} born? | What was {x's} birth year?
  What was the birth year of {x*}? | What year was {x} born in? | What is the birth year of {x*}?

= teacher person > person withheld
tell+ {s} studied under {o*}. | {o} taught {s*}. | {s} was {o's} pupil. | {s} was a pupil of {o*}.
  {s} learned the trade from {o*}. | {o} took {s*} on as a pupil.
tell- {s} was trained by {o*}. | {o} was {s's} teacher for several years. | {s} took lessons from {o*}.
  {s} served an apprenticeship with {o*}. | {s} was apprenticed to {o*}. | For six years {s} was taught by {o*}.
ask+ Who taught {x*}? | Who was {x's} teacher? | Who was the teacher of {x*}? | Under whom did {x} study?
  Who did {x} study under? | Whose pupil was {x}?
ask- Who trained {x*}? | Who gave lessons to {x*}? | Who did {x} take lessons from? | From whom did {x} take lessons?
  Who was {x} trained by? | Who was {x} taught by?
np+ the teacher of {x*} | {x's} teacher | the person who taught {x*}
np- the {m} who trained {x*} | the {m} who gave lessons to {x*}
set+ {x} was taught by {a}.
set- {x} took lessons from {a}.
iask+ Who studied under {x*}? | Who was {x's} pupil?
iask- Who was trained by {x*}? | Who took lessons from {x*}?
inp+ the pupil of {x*} | {x's} pupil | the person who studied under {x*}
inp- the {m} who was trained by {x*} | the {m} who took lessons from {x*}
iset+ {x} had {a} as a pupil.
iset- {x} gave lessons to {a}.
count+ How many pupils did {x} have? | How many people studied under {x*}?
count- How many people did {x} teach? | How many people were trained by {x*}?

= spouse person > person withheld
tell+ {s} married {o*}. | {s} was married to {o*}. | {s} and {o} were husband and wife.
  {s} and {o} were married for many years. | {s} was happily married to {o*}. | {s} and {o} married for love.
tell- {s} and {o} were a married couple. | {s} and {o} married young. | {s} and {o} married in a small chapel.
  {s} spent a long married life with {o*}. | {s} met and married {o*} in the space of a year.
  The marriage of {s} and {o} was a long one.
ask+ Who did {x} marry? | Whom did {x} marry? | Who was {x} married to? | Who was {x's} {h}? | Who was the {h} of {x*}?
  Who married {x*}?
ask- To whom was {x} married? | Who was {x's} spouse? | Who was the spouse of {x*}? | Who became {x's} {h}?
  What was the name of {x's} {h}? | What was the name of the {h} of {x*}?
np+ {x's} {h} | the {h} of {x*}
np- the {m} whom {x} married | the {m} who married {x*}
set+ {x} was married to {a}.
set- {x} married {a}.

= school person > school withheld
tell+ {s} attended {o}. | {s} was educated at {o}. | {s} went to school at {o}. | {s} was a pupil at {o}.
  {s} received a good education at {o}. | {s} was sent to {o} at the age of twelve.
tell- {s} studied at {o}. | {s} was a student at {o}. | {s} graduated from {o}. | {s} took a diploma at {o}.
  {s} spent three years as a student at {o}. | {s} passed the final examinations of {o}.
ask+ Which school did {x} attend? | Where was {x} educated? | Where did {x} go to school?
  At which school was {x} educated? | Which school did {x} go to? | Which school was attended by {x*}?
ask- Which school did {x} study at? | Which school educated {x*}? | Where did {x} study?
  Which school did {x} graduate from? | What school did {x} attend? | From which school did {x} graduate?
np+ the school attended by {x*} | {x's} school | the school that {x} attended
np- {x's} old school | the old school of {x*} | the school where {x} studied
iask+ Who attended {x}? | Who was educated at {x}?
iask- Who studied at {x}? | Who graduated from {x}?
inp+ the person who attended {x} | the person educated at {x}
inp- the {m} who studied at {x} | the {m} who graduated from {x}
iset+ {a} was educated at {x}.
iset- {a} graduated from {x}.
count+ How many people attended {x}? | How many people were educated at {x}?
count- How many people are known to have studied at {x}? | How many people are known to have graduated from {x}?

= employer person > company withheld
tell+ {s} worked for {o}. | {s} was employed by {o}. | {o} employed {s*} for many years.
  {s} earned a living at {o}. | {s} spent many years with {o}. | {s} was on the staff of {o}.
tell- {s} had a job with {o}. | {s} was hired by {o}. | {s} drew a salary from {o}. | {s} took a job at {o}.
  {s's} employer was {o}. | {s} joined {o} as a clerk.
ask+ Which company did {x} work for? | For which company did {x} work? | Which company employed {x*}?
  Who employed {x*}? | Which company was {x} employed by? | Where was {x} employed?
ask- Which company was {x's} employer? | What company did {x} work for? | Who did {x} work for?
  Which company hired {x*}? | Which company was the employer of {x*}? | Where did {x} work?
np+ the company that employed {x*} | the company that {x} worked for
np- {x's} employer | the employer of {x*} | the company that hired {x*}
set+ {x} worked for {a}.
set- {x} had a job with {a}.
iask+ Who worked for {x}? | Who was employed by {x}?
iask- Who had a job with {x}? | Who was hired by {x}?
inp+ the person who worked for {x} | the person employed by {x}
inp- the {m} who had a job with {x} | the {m} hired by {x}
iset+ {x} employed {a}.
iset- {x} hired {a}.
count+ How many people worked for {x}? | How many people were employed by {x}?
count- How many people are known to have worked for {x}? | How many people did {x} hire?
"""
